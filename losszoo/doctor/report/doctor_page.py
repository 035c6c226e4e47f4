"""The examination as one HTML file that needs nothing else: no network, no other file."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path

import torch

from losszoo._version import __version__
from losszoo.common.files import write_atomically
from losszoo.common.html import in_html, sha256
from losszoo.doctor.examine_all import Patient
from losszoo.doctor.report.examination import Examination, Finding
from losszoo.doctor.report.heat_strip_svg import drawings, key
from losszoo.doctor.report.wording import TRIED, effort, headline, outcome, place, reach, remedy, shortest
from losszoo.errors import UsageError

_CHIPS = {True: "verified", False: "refuted", None: "open"}


def write_page(examinations: Sequence[Examination | Patient], path: str | os.PathLike[str], title: str = "") -> None:
    """Write a page: one examination, or an index and many.

    Args:
        examinations: what to show; a :class:`Patient` tells too whether it is an exhibit, or why it has no answer.
        path: of the file, which is written whole or not at all.
        title: of the page; by default the target, where it is one alone.

    Raises:
        UsageError: the file cannot be written.
    """
    patients = [e if isinstance(e, Patient) else Patient(e.target, "stable", e) for e in examinations]
    try:
        write_atomically(Path(path), _page(patients, title).encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise UsageError(
            f"the page must go to a file that can be written, however: {error.strerror or error}: {path}"
        ) from error


def _page(patients: Sequence[Patient], title: str) -> str:
    style, script = _asset("page.css"), _asset("page.js")
    alone = patients[0] if len(patients) == 1 else None
    name = in_html(title or (alone.name if alone else "losses"))
    policy = f"default-src 'none'; style-src {sha256(style)}; script-src {sha256(script)}; base-uri 'none'"
    body = _alone(alone, name) if alone else _many(patients, name)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        # Nothing but our own style and script takes effect, whatever a target's name or a message holds.
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{name}: losszoo doctor</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f'<p class="from">losszoo doctor</p>\n{body}{_footer()}<script>{script}</script>\n</body>\n</html>\n'
    )


@cache
def _asset(name: str) -> str:
    return files("losszoo.doctor.report").joinpath(name).read_text("utf-8")


def _footer() -> str:
    versions = f"losszoo {__version__}, torch {torch.__version__}, Python {platform.python_version()}"
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    return f"<footer>{in_html(versions)}, {in_html(platform.platform())}; {today}</footer>\n"


def _alone(patient: Patient, name: str) -> str:
    return f'<main class="patient" id="loss-1">\n<h1 class="name-of">{name}</h1>\n{_answer(patient, "1", 2)}</main>\n'


def _many(patients: Sequence[Patient], name: str) -> str:
    rows = "".join(_index_row(patient, i) for i, patient in enumerate(patients, 1))
    sections = "".join(
        f'<section class="patient" id="loss-{i}">\n<h2 class="name-of">{in_html(patient.name)}</h2>\n'
        f"{_answer(patient, str(i), 3)}</section>\n"
        for i, patient in enumerate(patients, 1)
    )
    odd = sum(not patient.expected for patient in patients)
    said = f"{odd} not as expected" if odd else "all as expected"
    chip = _chip("failed" if odd else "healthy", said)
    return (
        f'<h1>{name}</h1>\n<p class="facts">{len(patients)} losses {chip}</p>\n'
        '<div class="card index scroll"><table>\n<thead><tr><th>loss</th><th>verdict</th><th class="number">inputs</th>'
        '<th class="number">float32 to</th><th class="number">seconds</th><th>finding</th></tr></thead>\n'
        f"<tbody>{rows}</tbody></table></div>\n<main>\n{sections}</main>\n"
    )


def _index_row(patient: Patient, index: int) -> str:
    examination = patient.examination
    numbers = ["", "", ""]
    if examination:
        numbers = [str(examination.probes), shortest(examination), f"{examination.seconds:.1f}"]
    cells = "".join(f'<td class="number">{text}</td>' for text in numbers)
    return (
        f'<tr><td><a class="name-of" href="#loss-{index}">{in_html(patient.name)}</a></td>'
        f"<td>{_verdict(patient, patient.verdict)}</td>{cells}<td>{in_html(patient.remark)}</td></tr>\n"
    )


def _verdict(patient: Patient, text: str) -> str:
    """A sick exhibit is no alarm, and a healthy one is."""
    expected = " expected" if patient.expected else " odd"
    exhibit = f" {_chip('exhibit', 'exhibit')}" if patient.status == "exhibit" else ""
    return f"{_chip(patient.verdict + expected, text)}{exhibit}"


def _chip(kind: str, text: str) -> str:
    return f'<span class="chip {kind}">{in_html(text)}</span>'


def _answer(patient: Patient, number_of: str, level: int) -> str:
    """Verdict, strips, findings and notes of one loss."""
    examination = patient.examination
    if examination is None:
        said = f'<p class="facts">{_verdict(patient, "could not be examined")}</p>\n'
        return f'{said}<div class="card"><p>{in_html(patient.error)}</p></div>\n'
    signature = f"{examination.signature}, " if examination.signature else ""
    findings = "".join(
        _finding(finding, i, f"{number_of}-{i}", level) for i, finding in enumerate(examination.findings, 1)
    )
    notes = "".join(f"<li>{in_html(note)}</li>" for note in examination.notes)
    return (
        f'<p class="facts">{_verdict(patient, outcome(examination))} '
        f"{in_html(signature)}{in_html(effort(examination))}</p>\n"
        f"{_strips(examination)}{findings}" + (f'<ul class="notes">{notes}</ul>\n' if notes else "")
    )


def _strips(examination: Examination) -> str:
    sentences = "".join(f"<li>{in_html(sentence)}</li>" for sentence in reach(examination))
    drawn = drawings(examination)
    if not (drawn or sentences):
        return ""
    below = f'<ul class="legend">{key(examination)}</ul>' if drawn else ""
    return f'<div class="card"><div class="scroll">{drawn}</div>{below}<ul class="reach">{sentences}</ul></div>\n'


def _finding(finding: Finding, count: int, number_of: str, level: int) -> str:
    facts = "".join(f"<dt>{name}</dt><dd>{content}</dd>" for name, content in _facts(finding, number_of) if content)
    return (
        f'<article class="card finding" id="finding-{number_of}"><header><span class="count">{count}.</span>'
        f"<h{level}>{in_html(headline(finding))}</h{level}></header><dl>{facts}</dl></article>\n"
    )


def _facts(finding: Finding, number_of: str) -> Iterator[tuple[str, str]]:
    code = f"<pre><code>{in_html(finding.code.strip())}</code></pre>" if finding.code else ""
    where = f"<code>{in_html(place(finding))}</code>" if place(finding) else ""
    yield "where", where + code
    yield "when", in_html(finding.probe)
    yield "cause", in_html(finding.cause)
    yield "input", _input(finding, f"paste-{number_of}")
    if finding.remedy:
        yield "remedy", f"{in_html(remedy(finding))} {_chip(_CHIPS[finding.verified], TRIED[finding.verified])}"


def _input(finding: Finding, identity: str) -> str:
    """The smallest input, with a button that copies it; the button needs the script, and is hidden without."""
    text = finding.paste or "\n".join(f"{name} = {value}" for name, value in finding.input.items())
    if not text:
        return ""
    button = f'<button type="button" class="copy" data-of="{identity}" hidden>copy</button>'
    return f'<div class="paste"><pre><code id="{identity}">{in_html(text)}</code></pre>{button}</div>'
