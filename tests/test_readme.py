import re
from pathlib import Path

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_example_runs(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(example, {})
    printed = capsys.readouterr().out
    assert "gcn" in printed
    assert "edges_logistic" in printed


def test_every_config_that_is_named_is_there():
    for name in set(re.findall(r"abide_\w+\.yaml", README)):
        assert (Path(__file__).parents[1] / "configs" / name).is_file()
