"""What an experiment file may say: every key, its range and its default."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

__all__ = ["Experiment"]

Label = int | str
Fraction = Annotated[float, Field(ge=0, lt=1)]
OpenFraction = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Penalty = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    """A part of the file: unknown keys and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Target(_Section):
    """What is predicted: two classes of a phenotype column, several, or its number.

    Participants with another value, or none, are unlabelled.
    """

    column: str = "diagnosis"
    positive: Label = 1
    negative: Label = 0
    classes: list[Label] | None = Field(default=None, min_length=3)
    number: bool = False

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.positive == self.negative:
            raise ValueError("positive and negative must differ")
        if self.number and self.classes is not None:
            raise ValueError("number: true and classes exclude each other")
        if self.classes is not None and len(set(map(str, self.classes))) < len(self.classes):
            raise ValueError("classes must differ")
        return self


class Harmonize(_Section):
    """Take away what a scanner adds, by :class:`~brainograph.preprocessing.Harmonized`."""

    method: Literal["center", "combat", "mida"]
    site: str = "site"
    covariates: list[str] = []
    unseen: Literal["pooled", "unlabelled", "controls"] = "pooled"
    controls: str | None = None
    n_components: Count | None = None


class Denoise(_Section):
    """Settings of :class:`~brainograph.estimators.denoising.DenoisingFeatures`, by its names."""

    sizes: list[Count] = Field(default=[200, 100, 50], min_length=1)
    corruption: Fraction = 0.3
    lr: Positive = 1e-3
    weight_decay: Penalty = 1e-4
    max_epochs: Count = 50
    batch_size: Count = 32
    random_state: int = 0


class _Block(_Section):
    """What all blocks of features share; ``denoise`` learns features of the scaled values."""

    weight: Positive = 1.0
    harmonize: Harmonize | None = None
    parcellation: str | None = None
    denoise: Denoise | None = None


class EdgesBlock(_Block):
    """The upper triangle of a connectivity matrix."""

    kind: Literal["edges"]
    connectivity: str = "fc"
    fisher_z: bool = True


class TangentBlock(_Block):
    """Tangent space at the training participants' mean covariance."""

    kind: Literal["tangent"]
    shrinkage: Literal["ledoit_wolf", "oas"] | Fraction | None = "ledoit_wolf"


class MeasuresBlock(_Block):
    """Regional measures such as thickness."""

    kind: Literal["measures"]
    names: list[str] | None = None


class PhenotypesBlock(_Block):
    """Phenotypes as features of the node."""

    kind: Literal["phenotypes"]
    columns: list[str]
    allow_diagnostic: bool = False


def _kind(model: Any) -> str:
    """Return the kind of a model; a file that names none means a population graph."""
    named = model.get("kind") if isinstance(model, dict) else getattr(model, "kind", None)
    return named or "population_graph"


class PopulationGraph(_Section):
    """Settings of :class:`~brainograph.estimators.PopulationGraphClassifier`, by its names."""

    kind: Literal["population_graph"] = "population_graph"
    conv: str = "cheb"
    hidden_channels: Count = 16
    num_layers: Annotated[int, Field(ge=0)] = 1
    dropout: Fraction = 0.3
    linear_skip: bool = True
    skip_smoothing: float = 0.0
    categorical: list[str] = ["sex", "site"]
    continuous: dict[str, Positive] = {"age": 2.0}
    combine: Literal["product", "similarity", "phenotype", "none"] = "product"
    metric: Literal["correlation", "cosine", "euclidean"] = "correlation"
    n_neighbors: Count | None = None
    shuffle: Literal["none", "edges", "features"] = "none"
    allow_diagnostic: bool = False
    optimizer: Literal["adam", "lbfgs"] = "adam"
    lr: Positive = 0.005
    weight_decay: Penalty = 5e-4
    skip_weight_decay: Penalty = 5e-4
    max_epochs: Count = 150
    patience: Count = 20
    validation_fraction: Fraction = 0.15
    refit: bool = True
    n_members: Count = 3
    layout: Literal["auto", "dense", "sparse"] = "auto"
    device: str = "auto"
    random_state: int = 0


class Linear(_Section):
    """A linear model of scikit-learn on the features; for a number, ridge regression.

    ``transductive`` lets features that need no labels, such as MIDA, learn from all participants.
    """

    kind: Literal["linear"]
    classifier: Literal["logistic", "ridge", "svm"] = "logistic"
    C: Positive = 1.0
    transductive: bool = False


class Trees(_Section):
    """A random forest or boosted trees of scikit-learn on the features, also for a number."""

    kind: Literal["trees"]
    method: Literal["forest", "boosting"] = "forest"
    n_trees: Count = 100
    min_samples_leaf: Count = 5
    random_state: int = 0


class TrainingSettings(_Section):
    """Settings of :class:`~brainograph.estimators.Training`, by its names."""

    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    lr: Positive = 1e-3
    weight_decay: Penalty = 1e-2
    lr_schedule: Literal["constant", "cosine", "one_cycle", "plateau"] = "constant"
    batch_size: Count = 32
    balanced: bool = False
    class_weight: Literal["balanced"] | None = None
    max_epochs: Count = 100
    patience: Count = 20
    validation_fraction: Fraction = 0.15
    clip: Positive | None = None
    accumulate: Count = 1
    devices: Count = 1
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    deterministic: bool = False


class VolumesSettings(_Section):
    """Settings of :class:`~brainograph.io.volumes.Volumes`, by its names."""

    spacing: Positive | tuple[Positive, Positive, Positive] | None = 2.0
    shape: tuple[Count, Count, Count] | None = (96, 112, 96)
    mask: str | None = "auto"
    normalize: Literal["zscore", "percentile", "histogram", "none"] = "zscore"
    centre: Literal["grid", "brain"] = "grid"
    cache: str | None = None


class SubjectGraph(_Section):
    """Settings of :class:`~brainograph.estimators.SubjectGraphClassifier`, by its names.

    ``network`` is one of :mod:`brainograph.nn` and ``params`` are its own; ``augmentation`` names
    classes of :mod:`brainograph.nn.augment` and their parameters, put to work in this order.
    """

    kind: Literal["subject_graph"]
    network: str
    params: dict[str, Any] = {}
    parcellation: str | None = None
    phenotypes: list[str] = []
    allow_diagnostic: bool = False
    standardize: bool = True
    volumes: VolumesSettings | None = None
    training: TrainingSettings = TrainingSettings()
    augmentation: dict[str, dict[str, Any]] = {}
    pretrained: Path | None = None
    freeze: list[str] = []
    head: Literal["linear", "bayesian"] = "linear"
    n_members: Count = 1
    device: str = "auto"
    random_state: int = 0


class DeepBlock(_Block):
    """What a network hands to its last layer, by :class:`~brainograph.estimators.DeepFeatures`.

    ``network`` is as a model of kind ``subject_graph``. It learns the labels (``target: y``),
    ``nothing`` where it pretrains without, or a phenotype: its classes, or its ``number``.
    """

    kind: Literal["deep"]
    network: SubjectGraph
    target: str = "y"
    number: bool = False

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.parcellation is not None:
            raise ValueError("parcellation stands under network, not beside it")
        if self.number and self.target in ("y", "nothing"):
            raise ValueError("number: true is for a target that is a phenotype")
        return self


Block = Annotated[
    EdgesBlock | TangentBlock | MeasuresBlock | PhenotypesBlock | DeepBlock,
    Field(discriminator="kind"),
]


class Features(_Section):
    """From a participant to numbers; fitted on labelled training participants only."""

    blocks: list[Block] = Field(default=[EdgesBlock(kind="edges")], min_length=1)
    scale: Literal["standard", "block", "none"] = "standard"
    select: Literal["none", "anova", "ridge_rfe"] = "none"
    n_features: Count = 2000


class PopulationNetwork(_Section):
    """Settings of :class:`~brainograph.estimators.PopulationNetworkClassifier`, by its names.

    ``network`` is one of :mod:`brainograph.nn.population` and ``params`` are its own.
    """

    kind: Literal["population_network"]
    network: str
    params: dict[str, Any] = {}
    parcellation: str | None = None
    phenotypes: list[str] = []
    categorical: list[str] = ["sex", "site"]
    continuous: dict[str, Positive] = {"age": 2.0}
    combine: Literal["product", "similarity", "phenotype", "none"] = "product"
    metric: Literal["correlation", "cosine", "euclidean"] = "correlation"
    n_neighbors: Count | None = 20
    allow_diagnostic: bool = False
    standardize: bool = True
    volumes: VolumesSettings | None = None
    training: TrainingSettings = TrainingSettings(lr=0.005, max_epochs=150, patience=30)
    stages: Literal["joint", "staged"] = "joint"
    n_sampled: list[Count] | None = None
    pretrained: Path | None = None
    n_members: Count = 1
    device: str = "auto"
    random_state: int = 0


class MultipleKernel(_Section):
    """Settings of :class:`~brainograph.estimators.MultipleKernelClassifier`, by its names.

    Each block of features is a kernel.
    """

    kind: Literal["multiple_kernel"]
    kernel: Literal["linear", "rbf"] = "linear"
    weights: Literal["uniform", "alignment", "joint_alignment"] | list[Penalty] = "uniform"
    classifier: Literal["svm", "logistic"] = "svm"
    C: Positive = 1.0


Single = (
    Annotated[PopulationGraph, Tag("population_graph")]
    | Annotated[Linear, Tag("linear")]
    | Annotated[SubjectGraph, Tag("subject_graph")]
    | Annotated[PopulationNetwork, Tag("population_network")]
    | Annotated[MultipleKernel, Tag("multiple_kernel")]
    | Annotated[Trees, Tag("trees")]
)


class Member(_Section):
    """One of several models whose decisions are fused, with features of its own."""

    features: Features = Features()
    model: Annotated[Single, Discriminator(_kind)]


class LateFusion(_Section):
    """Settings of :class:`~brainograph.estimators.LateFusionClassifier`, by its names."""

    kind: Literal["late_fusion"]
    members: dict[str, Member] = Field(min_length=1)
    how: Literal["max", "mean", "product", "weighted", "stacking"] = "weighted"
    n_splits: Annotated[int, Field(ge=2)] = 5
    temperature: Positive = 0.1
    penalty: Penalty = 0.1
    random_state: int = 0


Model = Annotated[Single | Annotated[LateFusion, Tag("late_fusion")], Discriminator(_kind)]


class Calibration(_Section):
    """Settings of :class:`~brainograph.estimators.Calibrated`, by its names."""

    method: Literal["temperature", "sigmoid"] = "temperature"
    validation_fraction: OpenFraction = 0.2


class ConformalSets(_Section):
    """Settings of :class:`~brainograph.estimators.Conformal`, by its names."""

    alpha: OpenFraction = 0.1
    score: Literal["lac", "aps"] = "lac"
    by: str | None = None
    min_confidence: Fraction = 0.0
    validation_fraction: OpenFraction = 0.3


class MonteCarlo(_Section):
    """Settings of :class:`~brainograph.estimators.MonteCarloDropout`, by its names."""

    n_passes: Count = 20


class Search(_Section):
    """Nested search: parameters chosen by an inner cross-validation of the training rows."""

    space: dict[str, Any]
    method: Literal["grid", "random", "optuna"] = "grid"
    n_trials: Count = 20
    inner_splits: Annotated[int, Field(ge=2)] = 5
    scoring: Literal["roc_auc", "balanced_accuracy", "neg_log_loss"] = "roc_auc"
    random_state: int = 0


class CrossValidation(_Section):
    """The folds."""

    scheme: Literal["stratified", "leave_one_site_out"] = "stratified"
    n_splits: Annotated[int, Field(ge=2)] = 10
    n_repeats: Count = 1
    by: list[str] = ["site"]
    group: str | None = None
    min_site_size: Count = 1
    splits: Path | None = None
    threshold: Literal["fixed", "tuned"] = "fixed"
    random_state: int = 0


class Experiment(_Section):
    """One experiment: whose data, which label, which model, how it is judged.

    ``monte_carlo``, ``calibration`` and ``conformal`` go around the model, in this order.
    """

    title: str
    cohort: Path
    target: Target = Target()
    features: Features = Features()
    model: Model = PopulationGraph()
    search: Search | None = None
    monte_carlo: MonteCarlo | None = None
    calibration: Calibration | None = None
    conformal: ConformalSets | None = None
    cross_validation: CrossValidation = CrossValidation()
    regimes: list[Literal["transductive", "inductive", "single_query"]] = Field(
        default=["transductive"], min_length=1
    )
    controls: list[str] | Literal["default"] = "default"
