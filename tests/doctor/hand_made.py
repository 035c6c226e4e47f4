"""Examinations made by hand, for the tests of what is shown of them."""

from __future__ import annotations

from dataclasses import replace

from losszoo.doctor.examine_all import ExaminedLoss
from losszoo.doctor.report.examination import Examination, Finding, Strip

SCALES = tuple(10.0 ** (k / 2) for k in range(-6, 9))
STATES = {
    "float32": ("finite",) * 10 + ("non-finite",) * 5,
    "bfloat16": ("inaccurate",) * 2 + ("finite",) * 8 + ("out-of-memory", "raises") + ("non-finite",) * 3,
    "float16": ("finite",) * 8 + ("vanished",) * 2 + ("beyond",) * 3 + ("non-finite",) * 2,
}
LIMITS = {"float32": 88.7228, "bfloat16": 88.5, "float16": 4000.0}

LOG = Finding(
    symptom="nan-gradient",
    dtype="float32",
    probe="one logit far above the others, with a wrong label",
    op="log",
    source="my_loss.py:12",
    code="    return -torch.log(torch.softmax(logits, 1))[torch.arange(len(targets)), targets].mean()",
    cause="softmax of a logit that is 104 below the largest underflows to 0, and the gradient of log at 0 is infinite: "
    "the gradient is infinity times 0.",
    remedy="take torch.log_softmax(logits, 1) in place of the logarithm of the softmax.",
    input={"logits": "torch.tensor([[0.0, 104.0]])", "targets": "torch.tensor([0])"},
    verified=True,
    paste="my_loss(torch.tensor([[0.0, 104.0]], requires_grad=True), torch.tensor([0])).backward()",
)
DIVISION = Finding(
    symptom="inf-loss",
    dtype="float16",
    probe="every position ignored",
    op="div",
    source="my_loss.py:14",
    code="total / mask.sum()",
    cause="the count of positions is 0.",
    remedy="divide by mask.sum().clamp(min=1)",
    verified=False,
    paste="my_loss(" + ", ".join(f"torch.tensor([[{i}.0, 0.0, -{i}.5]])" for i in range(12)) + ")",
)
RAISES = Finding(
    symptom="raises",
    dtype="bfloat16",
    probe="bfloat16 input",
    op=None,
    source=None,
    cause='RuntimeError: "cdist" not implemented for BFloat16',
    remedy="compute distances in float32",
    input={"embeddings": "torch.zeros(1, 2)", "labels": "torch.tensor([0])"},
)

HEALTHY = Examination(
    target="nca-stable",
    signature="embedding",
    findings=(),
    range={"float32": 1e4},
    seconds=3.21,
    strips=(Strip("float32", "|embeddings|", SCALES, ("finite",) * 15, None),),
    probes=240,
)
SICK = Examination(
    target="./my_loss.py:my_loss",
    signature="multiclass",
    findings=(LOG, DIVISION, RAISES),
    range=LIMITS,
    seconds=4.125,
    strips=tuple(Strip(dtype, "|logits|", SCALES, STATES[dtype], LIMITS[dtype]) for dtype in STATES),
    notes=("the true value is infinite where a probability of the target is exactly 0; that is no defect.",),
    probes=212,
)
HOSTILE = replace(
    HEALTHY,
    target='x.py:<script>document.title="owned"</script>\x1b[31m',
    findings=(
        replace(
            LOG,
            probe="[bold]</p><img src=x onerror=\"document.title='owned'\">",
            source='"><script>document.title="owned"</script>.py:3',
            paste='f("</pre><script>document.title=\'owned\'</script>", "\x1b[2J")',
            verified=None,
        ),
    ),
    notes=("<b>bold</b> & [red]red[/red]",),
    complete=False,
)
PATIENTS = (
    ExaminedLoss("bce", "stable", replace(HEALTHY, target="bce")),
    ExaminedLoss("nca-stable", "stable", HEALTHY),
    ExaminedLoss("nca-ratio", "exhibit", replace(SICK, target="nca-ratio", findings=(LOG, DIVISION))),
    ExaminedLoss("softmax-nll-eps", "exhibit", replace(HEALTHY, target="softmax-nll-eps")),
    ExaminedLoss("my-own", "stable", replace(SICK, target="my-own", findings=(RAISES,))),
    ExaminedLoss(
        "broken", "stable", None, "UsageError: loss broken of plugin x, x 1.0 cannot be loaded: no module named y"
    ),
)
