"""Plugins that are broken in every way we know, with what is recorded of each."""

from __future__ import annotations

from dataclasses import dataclass

HEAD = """
from losszoo import LossSpec, TaskSpec, hookimpl
import sys
def spec(name, target="losszoo_plugins.regression.squared:mse", **more):
    texts = {"summary": "s", "formula": "f", "reference": "r"}
    return LossSpec(name=name, target=target, signature="regression", **texts, **more)
def task(name, target):
    return TaskSpec(name=name, target=target, kind="regression", summary="s", metric="rmse")
"""
FIRST = HEAD.count("\n") + 1  # line of a plugin's body
HOOK = "@hookimpl\ndef losszoo_losses():\n    "


@dataclass(frozen=True)
class Case:
    """A plugin, the stage at which it fails, what is said of it, and the losses that it still gets in."""

    body: str
    stage: str = ""
    said: str = ""
    losses: tuple[str, ...] = ()


CASES = {
    "good": Case(HOOK + "print('chatter')\n    return [spec('good-loss')]\nprint('chatter')", losses=("good-loss",)),
    "import-error": Case("import no_such_module", "load", "ModuleNotFoundError: No module named 'no_such_module' ("),
    "syntax-error": Case("def (:", "load", f"(plugin_syntax_error/__init__.py:{FIRST})"),
    "exits": Case("sys.exit('bye')", "load", f"SystemExit: bye (plugin_exits/__init__.py:{FIRST}: sys.exit('bye'))"),
    "unprintable": Case(
        "class E(Exception):\n    def __str__(self): raise ValueError\nraise E",
        "load",
        "E: (its message raises ValueError)",
    ),
    "hook-raises": Case(HOOK + "raise RuntimeError('no luck')", "call", "RuntimeError: no luck (plugin_hook_raises/"),
    "raises-midway": Case(
        HOOK + "yield spec('before-the-fault')\n    1 / 0", "call", "ZeroDivisionError", ("before-the-fault",)
    ),
    "one-hook-raises": Case(
        HOOK + "return [spec('of-the-other-hook')]\n@hookimpl\ndef losszoo_tasks():\n    raise KeyError('k')",
        "call",
        "KeyError: 'k'",
        ("of-the-other-hook",),
    ),
    "misspelt": Case("@hookimpl\ndef losszoo_loses(): return []", "register", "unknown hook 'losszoo_loses'"),
    "misspelt-unmarked": Case(
        "def losszoo_loses(): return []", "offer", "losszoo_loses is no hook; define losszoo_losses()"
    ),
    "unmarked": Case(
        "def losszoo_losses(): return []", "offer", "losszoo_losses must be marked with @losszoo.hookimpl"
    ),
    "with-arguments": Case("@hookimpl\ndef losszoo_losses(config): return []", "register", "'config'"),
    "empty": Case("", "offer", "offers no loss and no task: define losszoo_losses() or losszoo_tasks()"),
    "returns-nothing": Case(HOOK + "pass", "offer", "losszoo_losses returned no spec"),
    "not-iterable": Case(HOOK + "return 3", "call", "losszoo_losses must return an iterable of specs, got an int"),
    "returns-text": Case(HOOK + "return 'bce'", "call", "must return an iterable of specs, got a str"),
    "wrong-objects": Case(
        HOOK + "return [{'name': 'x'}, spec('beside-the-dict')]",
        "spec",
        "a hook must return LossSpec or TaskSpec objects, got a dict",
        ("beside-the-dict",),
    ),
    "endless": Case(
        HOOK + "\n    while True: yield spec('again')",
        "spec",
        "loss again: the name belongs to plugin endless, dist-endless 1.0; rename yours",
        ("again",),
    ),
    "clash": Case(
        HOOK + "return [spec('bce'), spec('no-clash')]",
        "spec",
        "loss bce: the name belongs to plugin classification, losszoo",
        ("no-clash",),
    ),
    "a-first": Case(HOOK + "return [spec('wanted')]", losses=("wanted",)),
    "b-second": Case(
        HOOK + "return [spec('wanted')]",
        "spec",
        "loss wanted: the name belongs to plugin a-first, dist-a-first 1.0",
    ),
    "reserved": Case(
        HOOK + "return [spec('linear')]", "spec", "loss linear: the name is a word of the expression grammar"
    ),
    "invalid-spec": Case(
        HOOK + "return [spec('Bad Name')]",
        "spec",
        "name of a loss must be kebab-case (a-z, 0-9, -), got 'Bad Name' (plugin_invalid_spec/__",
    ),
    "one-bad-of-four": Case(
        HOOK + "return [spec('before-the-bad'), spec('Bad Name'), LossSpec(nmae='x'), spec('after-the-bad')]",
        "spec",
        "TypeError: LossSpec.__init__() got an unexpected keyword argument 'nmae' (plugin_one_bad_of_four/__",
        ("before-the-bad", "after-the-bad"),
    ),
    "one-bad-at-import": Case(
        "SPECS = [spec('Bad Name'), spec('beside-the-bad')]\n" + HOOK + "return SPECS",
        "spec",
        "name of a loss must be kebab-case (a-z, 0-9, -), got 'Bad Name' (plugin_one_bad_at_import/__",
        ("beside-the-bad",),
    ),
    "bad-param": Case(
        "from losszoo import Param\n"
        + HOOK
        + "yield spec('with-a-bad-param', params=(Param(name='k', tpye='int'),))\n    yield spec('after-the-param')",
        "spec",
        "with-a-bad-param: TypeError: Param.__init__() got an unexpected keyword argument 'tpye' (plugin_bad_param/",
        ("after-the-param",),
    ),
    "bad-tasks": Case(
        "@hookimpl\ndef losszoo_tasks():\n    return [task('Bad Name', 'a:C'), task('bce', 'a:C')]",
        "spec",
        "task bce: the name belongs to a loss",  # so the second was looked at
    ),
    "shown-by-exiting": Case(
        "class E(Exception):\n    def __str__(self): sys.exit(3)\nraise E",
        "load",
        "E: (its message raises SystemExit)",
    ),
    "shown-by-interrupting": Case(
        "class E(Exception):\n    def __str__(self): raise KeyboardInterrupt\nraise E",
        "load",
        "E: (its message raises KeyboardInterrupt)",
    ),
    "value-that-exits": Case(
        "class V:\n    def __repr__(self): sys.exit(3)\n"
        + HOOK
        + "return [spec('of-a-value', expects=V()), spec('after-the-value')]",
        "spec",
        "SystemExit: 3 (plugin_value_that_exits/__init__.py",
        ("after-the-value",),
    ),
    "loud": Case(
        "import ctypes, os, subprocess, atexit\n"
        "def shout():\n"
        "    os.write(1, b'spoilt by os.write')\n"
        "    subprocess.run([sys.executable, '-c', \"print('spoilt by a child')\"])\n"
        "    ctypes.CDLL(None).printf(b'spoilt by C')\n"
        "atexit.register(print, 'spoilt at exit')\nshout()\n" + HOOK + "shout()\n    return [spec('loud-loss')]",
        losses=("loud-loss",),
    ),
    "class-that-acts": Case(
        HOOK + "return [spec('t-class-that-acts', 'subprocess:Popen')]",
        "target",
        "a loss must be a function or an nn.Module class, got subprocess:Popen, the class Popen; derive it from torch",
        ("t-class-that-acts",),
    ),
    "lazy-exit": Case(
        "def __getattr__(name):\n    if name == 'f': sys.exit(9)\n    raise AttributeError(name)\n"
        + HOOK
        + "return [spec('t-lazy-exit', 'plugin_lazy_exit:f')]",
        "target",
        "plugin_lazy_exit:f cannot be loaded: SystemExit: 9 (plugin_lazy_exit/__init__.py",
        ("t-lazy-exit",),
    ),
    "unchecked": Case(
        "class Free(LossSpec):\n    def __post_init__(self): pass\n"
        + HOOK
        + "yield Free(name='free', target='a:b', signature=3, summary='s', formula='f', reference='r')\n"
        + "    yield spec('after-the-free')",
        "spec",
        "free: signature must be the name of a signature",
        ("after-the-free",),
    ),
    "interrupts": Case("raise KeyboardInterrupt", "load", "KeyboardInterrupt (plugin_interrupts/__init__.py:"),
    "hook-interrupts": Case(
        HOOK + "yield spec('before-the-interrupt')\n    raise KeyboardInterrupt",
        "call",
        "KeyboardInterrupt",
        ("before-the-interrupt",),
    ),
    "target-interrupts": Case(
        HOOK + "return [spec('t-interrupts', 'plugin_target_interrupts.keys:f')]",
        "target",
        "plugin_target_interrupts.keys:f cannot be imported: KeyboardInterrupt",
        ("t-interrupts",),
    ),
    "coloured": Case("raise ValueError('\\x1b[31mred')", "load", "ValueError: ?[31mred (plugin_coloured/"),
    "like-a-task": Case(
        HOOK + "return [spec('abalone')]",
        "spec",
        "loss abalone: the name belongs to a task of plugin tasks, losszoo",
    ),
    "like-a-loss": Case(
        "@hookimpl\ndef losszoo_tasks():\n    return [task('bce', 'a:C')]",
        "spec",
        "task bce: the name belongs to a loss of plugin classification, losszoo",
    ),
    "no-module": Case(
        HOOK + "return [spec('t-no-module', 'no_such_module:f')]",
        "target",
        "loss t-no-module: no_such_module:f cannot be imported",
        ("t-no-module",),
    ),
    "no-attribute": Case(
        HOOK + "return [spec('t-no-attribute', 'losszoo_plugins.regression.squared:mes')]",
        "target",
        "losszoo_plugins.regression.squared has no 'mes': did you mean mse?",
        ("t-no-attribute",),
    ),
    "not-callable": Case(
        HOOK + "return [spec('t-not-callable', 'math:pi')]",
        "target",
        "loss t-not-callable: a loss must be callable, got math:pi, a float",
        ("t-not-callable",),
    ),
    "exits-late": Case(
        HOOK + "return [spec('t-exits-late', 'plugin_exits_late.late:f')]",
        "target",
        "plugin_exits_late.late:f cannot be imported: SystemExit: 7 (plugin_exits_late/late.py:1",
        ("t-exits-late",),
    ),
    "no-twin": Case(
        HOOK + "return [spec('t-no-twin', status='exhibit', stable_twin='bcee')]",
        "spec",
        "loss t-no-twin: its stable_twin must be an installed loss, got 'bcee'; did you",
        ("t-no-twin",),
    ),
    "bad-task": Case(
        "@hookimpl\ndef losszoo_tasks():\n    return [task('digits', 'a:C'), task('t-task', 'nowhere:Task')]",
        "target",
        "task t-task: nowhere:Task cannot be imported",
    ),
}
