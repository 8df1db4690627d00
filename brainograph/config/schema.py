"""What an experiment file may say: every key, its range and its default."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["Experiment"]

Label = int | str
Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
Penalty = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    """A part of the file: unknown keys and wrong types are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Target(_Section):
    """The label: a phenotype column and its two classes; other values are unlabelled."""

    column: str = "diagnosis"
    positive: Label = 1
    negative: Label = 0

    @model_validator(mode="after")
    def _differ(self) -> Self:
        if self.positive == self.negative:
            raise ValueError("positive and negative must differ")
        return self


class EdgesBlock(_Section):
    """The upper triangle of a connectivity matrix."""

    kind: Literal["edges"]
    connectivity: str = "fc"
    fisher_z: bool = True
    weight: Positive = 1.0
    center_by: str | None = None


class TangentBlock(_Section):
    """Tangent space at the training participants' mean covariance."""

    kind: Literal["tangent"]
    shrinkage: Literal["ledoit_wolf", "oas"] | Fraction | None = "ledoit_wolf"
    weight: Positive = 1.0
    center_by: str | None = None


class MeasuresBlock(_Section):
    """Regional measures such as thickness."""

    kind: Literal["measures"]
    names: list[str] | None = None
    weight: Positive = 1.0
    center_by: str | None = None


class PhenotypesBlock(_Section):
    """Phenotypes as features of the node."""

    kind: Literal["phenotypes"]
    columns: list[str]
    allow_diagnostic: bool = False
    weight: Positive = 1.0
    center_by: str | None = None


Block = Annotated[
    EdgesBlock | TangentBlock | MeasuresBlock | PhenotypesBlock, Field(discriminator="kind")
]


class Features(_Section):
    """From a participant to numbers; fitted on labelled training participants only."""

    blocks: list[Block] = Field(default=[EdgesBlock(kind="edges")], min_length=1)
    scale: Literal["standard", "block", "none"] = "standard"
    select: Literal["none", "anova", "ridge_rfe"] = "none"
    n_features: Count = 2000


class PopulationGraph(_Section):
    """Settings of :class:`~brainograph.estimators.PopulationGraphClassifier`, by its names."""

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


class CrossValidation(_Section):
    """The folds."""

    scheme: Literal["stratified", "leave_one_site_out"] = "stratified"
    n_splits: Annotated[int, Field(ge=2)] = 10
    n_repeats: Count = 1
    by: list[str] = ["site"]
    group: str | None = None
    min_site_size: Count = 1
    splits: Path | None = None
    random_state: int = 0


class Experiment(_Section):
    """One experiment: whose data, which label, which model, how it is judged."""

    title: str
    cohort: Path
    target: Target = Target()
    features: Features = Features()
    model: PopulationGraph = PopulationGraph()
    cross_validation: CrossValidation = CrossValidation()
    regimes: list[Literal["transductive", "inductive"]] = Field(
        default=["transductive"], min_length=1
    )
    controls: list[str] | Literal["default"] = "default"
