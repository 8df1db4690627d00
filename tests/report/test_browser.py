"""The page in a real browser, at the width of a desk and of a phone."""

import asyncio
import json
import shutil
import subprocess
import time

import aiohttp
import numpy as np
import pandas as pd
import pytest

from brainograph.files import write_json, write_tsv
from brainograph.report import write_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER = next((path for path in map(shutil.which, BROWSERS) if path), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason=f"none of {BROWSERS} is on PATH")

PATIENCE = 180  # s; a machine that does much else is slow
WIDTHS = {"desk": 1280, "phone": 390}
SECTIONS = [
    *("summary", "participants", "methods", "scores", "controls", "sites", "calibration"),
    *("explanations", "training", "audit", "provenance", "card", "checklist"),
]
LOOK = """(() => {
  const all = (what) => [...document.querySelectorAll(what)];
  const size = (element) => element.getBoundingClientRect();
  document.querySelector("button[data-copy]").click();
  const dots = () => all("#connectome circle").map((dot) => dot.getAttribute("cx")).join();
  const before = dots();
  document.querySelector("button[data-view=left]").click();
  return JSON.stringify({
    sections: all("main > section").map((section) => section.id),
    emptiest: Math.min(...all("main > section").map((section) => section.innerText.length)),
    too_wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    out_of_sight: all("main p, main svg, main button").filter((e) => size(e).right > innerWidth + 1)
      .filter((e) => !e.closest(".scroll, details")).length,
    broken_images: [...document.images].filter((image) => !image.naturalWidth).length,
    narrowest: Math.min(...all("figure svg").map((svg) => size(svg).width)),
    lowest: Math.min(...all("figure svg").map((svg) => size(svg).height)),
    selected: getSelection().toString(),
    turned: before !== dots() && !dots().includes("NaN"),
    regions: all("#connectome circle title").map((title) => title.textContent),
    ran: window.ran,
  });
})()"""
FOCUSED = "document.activeElement.getAttribute('href') ?? document.activeElement.tagName"


class Page:
    """One page of a browser, spoken to by the DevTools protocol."""

    def __init__(self, socket):
        self.socket, self.number, self.events = socket, 0, []

    async def ask(self, method, **params):
        self.number += 1
        await self.socket.send_json({"id": self.number, "method": method, "params": params})
        while (message := await self.socket.receive_json(timeout=PATIENCE)).get(
            "id"
        ) != self.number:
            self.events.append(message)
        assert "error" not in message, message
        return message["result"]

    async def wait_for(self, method):
        while not any(event["method"] == method for event in self.events):
            self.events.append(await self.socket.receive_json(timeout=PATIENCE))

    async def run(self, script):
        found = await self.ask("Runtime.evaluate", expression=script)
        return found["result"].get("value")

    async def press(self, key):
        for kind in ("keyDown", "keyUp"):
            codes = {"key": key, "code": key, "windowsVirtualKeyCode": 9}
            await self.ask("Input.dispatchKeyEvent", type=kind, **codes)


async def look(page, url, width):
    """Open the page at a width and return what is there and what was complained of."""
    for domain in ("Page", "Runtime", "Log"):
        await page.ask(f"{domain}.enable")
    await page.ask(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=800,
        deviceScaleFactor=1,
        mobile=width < 600,
    )
    await page.ask("Page.navigate", url=url)
    await page.wait_for("Page.loadEventFired")
    order = []
    for _ in range(len(SECTIONS) + 2):
        await page.press("Tab")
        order.append(await page.run(FOCUSED))
    seen = json.loads(await page.run(LOOK))
    said = {"Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"}
    complaints = [event for event in page.events if event["method"] in said]
    return seen | {"order": order, "complaints": complaints}


async def look_at_all(port, url):
    async with aiohttp.ClientSession() as session:
        found = {}
        for name, width in WIDTHS.items():
            async with session.put(f"http://127.0.0.1:{port}/json/new?about:blank") as answer:
                address = (await answer.json(content_type=None))["webSocketDebuggerUrl"]
            async with session.ws_connect(address, max_msg_size=0) as socket:
                found[name] = await look(Page(socket), url, width)
        return found


def results(folder):
    """A results folder whose names would run a script if they could."""
    name = '<img src=x onerror="window.ran = 1"><script>window.ran = 1</script>'
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    ids = [f"sub-{i}" for i in range(59)] + [name]
    rows = {"participant_id": ids, "repeat": 0, "fold": np.arange(60) // 2 % 3, "y_true": y}
    rows |= {"site": np.where(np.arange(60) < 30, name, "B"), "regime": "inductive"}
    effects = {"gcn": 2.0, "a_model_with_a_long_name" * 2: 1.0, "motion": 0.0, name: 0.5}
    tables = [
        pd.DataFrame(rows | {"model": model, "y_score": 1 / (1 + np.exp(-logit))})
        for model, effect in effects.items()
        for logit in [effect * (y - 0.5) + rng.normal(size=60)]
    ]
    write_tsv(pd.concat(tables), folder / "predictions.tsv")
    people = {"participant_id": ids, "sex": ["female", "male"] * 30}
    people |= {"age": rng.normal(20, 3, 60), "mean_fd": rng.uniform(0, 0.4, 60)}
    write_tsv(pd.DataFrame(people), folder / "participants.tsv")
    lost = {"participant_id": ["x"], "source": [name], "reason": [name]}
    write_tsv(pd.DataFrame(lost), folder / "failures.tsv")
    audit = {"check": [name], "status": ["fail"], "message": [name * 3], "expected": ["0"]}
    write_tsv(pd.DataFrame(audit), folder / "audit.tsv")
    history = {"epoch": [0, 1], "loss": [0.7, 0.5], "validation": [0.7, 0.6]}
    write_tsv(pd.DataFrame(history), folder / "histories.tsv")
    edges = {"region_a": [name, "b"], "region_b": ["b", "c"], "importance": [1.0, -0.5]}
    write_tsv(pd.DataFrame(edges), folder / "explanations" / "edges.tsv")
    write_json(
        {"title": name, "main": "gcn", name: name, "command": "x" * 300}, folder / "provenance.json"
    )
    return folder


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    path = write_report(results(tmp_path_factory.mktemp("results")))
    profile = tmp_path_factory.mktemp("profile")
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    arguments += ["--disable-background-networking", "--disable-component-update"]
    arguments += ["--disable-extensions", "--remote-debugging-port=0", f"--user-data-dir={profile}"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([BROWSER, *arguments, "about:blank"], **quiet) as browser:
        try:
            port = wait_for_port(profile / "DevToolsActivePort", browser)
            yield asyncio.run(look_at_all(port, path.as_uri()))
        finally:
            browser.terminate()


def wait_for_port(file, browser):
    for _ in range(10 * PATIENCE):
        if file.is_file() and file.read_text().strip():
            return int(file.read_text().split()[0])
        if browser.poll() is not None:
            pytest.skip(f"{BROWSER} does not start here (exit status {browser.returncode})")
        time.sleep(0.1)
    raise TimeoutError(f"{BROWSER} opened no port in {PATIENCE} s")


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_complained_of_and_nothing_foreign_runs(seen, width):
    assert seen[width]["complaints"] == []
    assert seen[width].get("ran") is None


@pytest.mark.parametrize("width", WIDTHS)
def test_every_section_and_picture_is_there(seen, width):
    assert seen[width]["sections"] == SECTIONS
    assert seen[width]["emptiest"] > 40
    assert seen[width]["broken_images"] == 0
    assert seen[width]["narrowest"] > 200
    assert seen[width]["lowest"] > 60


@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_does_not_scroll_sideways(seen, width):
    assert seen[width]["too_wide"] <= 0
    assert seen[width]["out_of_sight"] == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_the_keyboard_reaches_the_sections_in_their_order(seen, width):
    assert seen[width]["order"][:-1] == ["#main", *(f"#{name}" for name in SECTIONS)]
    assert seen[width]["order"][-1] == "SUMMARY"


@pytest.mark.parametrize("width", WIDTHS)
def test_the_methods_are_copied_and_the_connectome_turns(seen, width):
    assert seen[width]["selected"].startswith("Participants. We analysed 60 participants")
    assert "References" in seen[width]["selected"]
    assert seen[width]["turned"]
    assert any("<script>" in name for name in seen[width]["regions"])
