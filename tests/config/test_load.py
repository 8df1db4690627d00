import inspect
from pathlib import Path

import pytest
import yaml

from brainograph.config import ConfigError, Experiment, load_config, save_config
from brainograph.config.schema import PopulationGraph, SubjectGraph, TrainingSettings
from brainograph.estimators import PopulationGraphClassifier, SubjectGraphClassifier, Training

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))
MINIMAL = "title: A study\ncohort: somewhere\n"


@pytest.fixture
def load(tmp_path):
    """Return a function that loads a text with overrides."""

    def load(text, *overrides):
        (tmp_path / "config.yaml").write_text(text)
        return load_config(tmp_path / "config.yaml", overrides)

    return load


def refused(load, text, *overrides):
    """Return the lines of the message that refuses the text, the first (the file) left out."""
    with pytest.raises(ConfigError) as caught:
        load(text, *overrides)
    first, *lines = str(caught.value).splitlines()
    assert first.endswith("config.yaml cannot be run:")
    return [line.strip() for line in lines]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_of_the_distribution_loads_and_writes_out_only_known_keys(path):
    experiment = load_config(path)
    assert experiment.title
    assert getattr(experiment.model, "random_state", 0) == 0  # linear models have none


def test_there_are_configs():
    assert "demo" in [path.stem for path in CONFIGS]


def test_defaults_are_filled_in(load):
    experiment = load(MINIMAL)
    assert experiment == Experiment(title="A study", cohort=Path("somewhere"))
    assert experiment.model.conv == "cheb"
    assert [block.kind for block in experiment.features.blocks] == ["edges"]


def test_the_model_section_is_the_classifier(load):
    parameters = inspect.signature(PopulationGraphClassifier).parameters
    expected = {
        name: parameter.default
        for name, parameter in parameters.items()
        if name not in ("features", "progress")
    }
    model = PopulationGraph().model_dump(exclude={"kind"})
    assert set(model) == set(expected)
    assert expected.pop("continuous") is None  # the classifier's None is this table
    assert model.pop("continuous") == PopulationGraphClassifier()._edges().continuous
    model["categorical"] = tuple(model["categorical"])
    assert model == expected


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("modelx: {conv: gcn}", "modelx: unknown key; did you mean model?"),
        ("model: {hiden_channels: 8}", "model.hiden_channels: unknown key; did you mean hidden_"),
        ("target: {columnx: age}", "target.columnx: unknown key; did you mean column?"),
        ("cross_validation: {folds: 5}", "cross_validation.folds: unknown key; known are scheme, "),
        (
            "features: {blocks: [{kind: edges, fischer_z: true}]}",
            "features.blocks.0.edges.fischer_z: unknown key; did you mean fisher_z?",
        ),
        (
            "features: {blocks: [{kind: edges}, {kind: phenotypes, column: [age]}]}",
            "features.blocks.1.phenotypes.columns: is missing. Write `features.blocks.1.",
        ),
        (
            "features: {blocks: [{kind: edge}]}",
            "features.blocks.0.kind: must be one of 'edges', 'tangent'",
        ),
        ("features: {blocks: [{weight: 2}]}", "features.blocks.0: Unable to extract tag"),
        ("features: {blocks: []}", "features.blocks: List should have at least 1 item"),
        ("model: {dropout: high}", "model.dropout: Input should be a valid number, unable to"),
        ("model: {dropout: 1.0}", "model.dropout: Input should be less than 1, got 1.0"),
        ("model: {lr: 0}", "model.lr: Input should be greater than 0, got 0"),
        ("model: {combine: sum}", "model.combine: Input should be 'product', 'similarity', "),
        ("model: {continuous: {age: -2}}", "model.continuous.age: Input should be greater than 0"),
        ("model: {categorical: site}", "model.categorical: Input should be a valid list, got"),
        ("model: cheb", "model: Input should be a valid dictionary or instance of"),
        ("cross_validation: {n_splits: 1}", "cross_validation.n_splits: Input should be greater"),
        ("cross_validation: {scheme: loso}", "cross_validation.scheme: Input should be 'strat"),
        ("regimes: [transduction]", "regimes.0: Input should be 'transductive', 'inductive' or"),
        ("regimes: []", "regimes: List should have at least 1 item"),
        (
            "target: {positive: 1, negative: 1}",
            "target: positive and negative must differ, got {'positive': 1, 'negative': 1}",
        ),
    ],
)
def test_a_mistake_says_where_what_was_given_and_what_is_allowed(load, text, line):
    assert any(found.startswith(line) for found in refused(load, MINIMAL + text))


def test_an_unknown_key_of_a_block_gets_the_nearest_of_that_block(load):
    lines = refused(load, MINIMAL + "features: {blocks: [{kind: phenotypes, columnsx: [age]}]}")
    assert "features.blocks.0.phenotypes.columnsx: unknown key; did you mean columns?" in lines


def test_what_has_no_default_must_be_given(load):
    assert refused(load, "model: {conv: gcn}") == [
        "title: is missing. Write `title: ...` or --set title=...",
        "cohort: is missing. Write `cohort: ...` or --set cohort=...",
    ]


def test_every_mistake_is_listed_at_once(load):
    lines = refused(
        load, "title: x\nmodelx: {}\nmodel: {dropout: 2, conf: gcn}\ntarget: {positive: [1]}\n"
    )
    starts = [line.split(":")[0] for line in lines]
    assert {"cohort", "modelx", "model.dropout", "model.conf"} < set(starts)
    assert any(start.startswith("target.positive") for start in starts)


@pytest.mark.parametrize("text", ["title: [1", "title: x\n  cohort: y", b"\x93NUMPY\x01\x00"])
def test_what_is_not_yaml(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(ConfigError, match=r"config.yaml is not YAML"):
        load_config(path)


@pytest.mark.parametrize("text", ["", "just words", "- title: x"])
def test_what_is_not_a_table(load, text):
    with pytest.raises(ConfigError, match="must hold keys and values such as `cohort: PATH`"):
        load(text)


def test_a_missing_file_says_what_to_name(tmp_path):
    with pytest.raises(ConfigError, match=r"no.yaml does not exist. Name one of configs/\*.yaml"):
        load_config(tmp_path / "no.yaml")


def test_overrides_take_the_place_of_the_file(load):
    experiment = load(
        MINIMAL + "model: {dropout: 0.3, conv: gcn}\nfeatures:\n",
        "model.dropout=0.5",
        "cohort=a b/c=d",
        "cross_validation.n_splits=3",
        "features.scale=none",
        "model.continuous={age: 5, fiq: 10}",
        "regimes=[inductive]",
    )
    assert experiment.model.dropout == 0.5
    assert experiment.model.conv == "gcn"
    assert experiment.cohort == Path("a b/c=d")
    assert experiment.cross_validation.n_splits == 3
    assert experiment.features.scale == "none"
    assert experiment.model.continuous == {"age": 5, "fiq": 10}
    assert experiment.regimes == ["inductive"]


def test_the_last_of_two_overrides_holds(load):
    assert load(MINIMAL, "model.lr=1", "model.lr=2").model.lr == 2


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.dropout", "--set takes key=value, got 'model.dropout'. Write for example --set"),
        ("=3", "--set takes key=value, got '=3'"),
        ("title.sub=3", "--set title.sub=3: title has no keys under it, its value is 'A study'"),
        ("title=[1", "'\\[1' is not YAML. Quote it"),
        ("model.hiden_channels=3", "did you mean hidden_channels"),
        ("model.n_neighbors=0", "model.n_neighbors: Input should be greater than or equal to 1"),
    ],
)
def test_wrong_overrides(load, override, message):
    with pytest.raises(ConfigError, match=message):
        load(MINIMAL, override)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_resolved_config_comes_back_equal(path, tmp_path):
    experiment = load_config(path, ["cohort=elsewhere", "cross_validation.splits=folds.json"])
    save_config(experiment, tmp_path / "resolved.yaml")
    assert load_config(tmp_path / "resolved.yaml") == experiment
    content = yaml.safe_load((tmp_path / "resolved.yaml").read_text())
    assert set(content) == set(Experiment.model_fields)
    assert content["model"].keys() == type(experiment.model).model_fields.keys()


def test_a_model_is_of_one_kind(load):
    assert load(MINIMAL + "model: {kind: linear, C: 3}\n").model.C == 3
    (line,) = refused(load, MINIMAL + "model: {kind: tree}")
    assert line.startswith("model.kind: must be one of 'population_graph', 'linear', 'subject_gra")
    (line,) = refused(load, MINIMAL + "model: {kind: linear, clasifier: svm}")
    assert line == "model.clasifier: unknown key; did you mean classifier?"
    (line,) = refused(load, MINIMAL + "model: {dropuot: .3}")
    assert line == "model.dropuot: unknown key; did you mean dropout?"
    (line,) = refused(load, MINIMAL + "features: {blocks: [{kind: edges, weigh: 2}]}")
    assert line.endswith("unknown key; did you mean weight?")


def test_a_target_is_two_classes_several_or_a_number(load):
    assert load(MINIMAL + "target: {column: age, number: true}").target.number
    (line,) = refused(load, MINIMAL + "target: {classes: [a, b, a]}")
    assert "classes must differ" in line
    (line,) = refused(load, MINIMAL + "target: {classes: [a, b, c], number: true}")
    assert "exclude each other" in line


def test_the_training_section_is_the_estimators():
    assert TrainingSettings().model_dump() == Training().get_params()
    parameters = inspect.signature(SubjectGraphClassifier).parameters
    known = set(SubjectGraph.model_fields) - {"kind"}
    own = {"checkpoint", "log", "tensorboard", "progress"}  # of Python alone
    assert known == set(parameters) - own
