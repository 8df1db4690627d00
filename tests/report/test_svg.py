"""Drawings become part of the page."""

from xml.etree import ElementTree

from brainograph.report.svg import draw


def test_drawing_is_inline_and_takes_the_colours_of_the_page():
    svg = draw("one", lambda axes: axes.plot([0, 1], [0, 1], color="#0072B2"))
    assert svg.startswith("<svg viewBox=")
    assert "currentColor" in svg
    assert "var(--main)" in svg
    assert "http" not in svg
    assert 'id="one-' in svg
    assert "#010203" not in svg


def test_text_is_escaped_and_stays_text():
    svg = draw("one", lambda axes: axes.set_xlabel('<b>"&'))
    assert "&lt;b&gt;" in svg
    root = ElementTree.fromstring(svg.replace("xlink:href", "href"))
    assert any((text.text or "").strip() == '<b>"&' for text in root.iter("text"))


def test_letters_that_matplotlib_lacks_raise_no_warning(recwarn):
    svg = draw("one", lambda axes: axes.set_xlabel("北京"))
    assert "北京" in svg
    assert not [w for w in recwarn if "Glyph" in str(w.message)]


def test_the_same_drawing_is_the_same_text():
    first, second = (draw("one", lambda axes: axes.plot([0, 1], [1, 0])) for _ in range(2))
    assert first == second
