"""Which items of TRIPOD+AI a report covers, and where."""

from typing import Literal

__all__ = ["Coverage", "checklist"]

Coverage = Literal["covered", "in part", "for the authors"]

# Item, what it asks for in our words, the section of the report, and what authors have to add.
_ITEMS = (
    ("1-2", "Title and abstract", "summary", "the abstract"),
    ("3", "Background and health inequalities", "", "why such a model is wanted"),
    ("4", "Objectives", "summary", "the objective in the words of the study"),
    (
        "5",
        "Sources of the data and their dates",
        "participants",
        "when and for what they were made",
    ),
    ("6", "Eligibility, setting, treatments", "participants", "criteria and treatments"),
    ("7", "Preparation of the data", "methods", ""),
    ("8", "Outcome and its assessment", "methods", "who made the diagnosis, and how"),
    ("9", "Predictors", "methods", ""),
    ("10", "Sample size", "participants", "why it suffices"),
    ("11", "Missing data", "participants", "how missing phenotypes were handled"),
    ("12", "Analytical methods", "methods", ""),
    ("13", "Class imbalance", "participants", "what was done about it"),
    ("14", "Approaches to fairness", "sites", ""),
    ("15", "Output of the model", "card", ""),
    ("16", "Training and evaluation apart", "methods", ""),
    ("17", "Ethical approval", "", "the committee and the consent"),
    ("18", "Open science", "provenance", "funding, interests, protocol, data and code"),
    ("19", "Patients and the public", "", "whether they were involved"),
    ("20", "Flow and characteristics of participants", "participants", ""),
    ("21", "Numbers in each analysis", "participants", ""),
    ("22", "Specification of the full model", "provenance", "the fitted model itself"),
    ("23", "Performance, with intervals and by group", "scores", ""),
    ("24", "Updating of the model", "", "results, if the model was updated"),
    ("25", "Interpretation", "summary", "beside what is known"),
    ("26", "Limitations", "card", "those that the numbers do not show"),
    ("27", "Usability in care", "card", "users, inputs of poor quality, next steps"),
)


def checklist(lacking: set[str], *, classes: bool = True) -> list[dict[str, str]]:
    """Return one row for each item of TRIPOD+AI.

    Parameters
    ----------
    lacking : set of str
        Sections of the report that have nothing to show, and ``settings`` of the model.
    classes : bool
        Whether classes are predicted; the balance of none is no question.

    Returns
    -------
    list of dict
        ``item``, ``asks``, ``section`` (empty where there is none), ``coverage`` and ``add``:
        what the authors have to write.

    References
    ----------
    Collins et al. (2024), TRIPOD+AI statement, BMJ 385, e078378.

    Examples
    --------
    >>> rows = {row["item"]: row["coverage"] for row in checklist({"sites"})}
    >>> rows["7"], rows["6"], rows["17"], rows["14"]
    ('covered', 'in part', 'for the authors', 'for the authors')
    """
    rows = []
    for item, asks, section, add in _ITEMS:
        if item == "13" and not classes:
            continue
        if section == "methods" and "settings" in lacking:
            add = add or "the settings of the model, which no config.yaml says"
        there = bool(section) and section not in lacking
        coverage: Coverage = "for the authors"
        if there:
            coverage = "in part" if add else "covered"
        missing = "this results folder lacks what it takes" if section and not there else add
        rows.append({"item": item, "asks": asks, "section": section if there else ""})
        rows[-1] |= {"coverage": coverage, "add": missing}
    return rows
