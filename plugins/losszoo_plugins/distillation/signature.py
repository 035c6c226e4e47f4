"""Logits of a student against those of a teacher."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor

from losszoo import EdgeCase, Signature, Sizes, Source, checks


class Distillation(Signature):
    """Logits of student and teacher, (N, C, ...) each, and labels (N, ...), which some losses ask for.

    The teacher is taken for constant: no gradient reaches it. Without labels, those of a loss that asks for them are
    the teacher's own answers.
    """

    name = "distillation"
    arguments = ("student", "teacher")
    optional = ("labels",)
    given = ("teacher", "labels")
    synonyms: ClassVar = {
        "student": ("student_logits", "logits_student", "y_s", "input", "logits"),
        "teacher": ("teacher_logits", "logits_teacher", "y_t", "target", "soft_targets"),
        "labels": ("targets", "y", "ids"),
    }
    predicting = 65.0
    sizes = Sizes(second="classes", second_default=1000)
    learns = "the agreement with the answers of the teacher"

    def check(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        student, teacher, labels = _padded(inputs)
        student = checks.floating("student", student)
        if student.ndim < 2 or not student.shape[1]:
            raise checks.BrokenRule("student", "have shape (N, C, ...), C >= 1", checks.shape_of(student))
        teacher = checks.like("teacher", checks.floating("teacher", teacher), student, "student").detach()
        if labels is not None:
            labels = checks.integers("labels", labels, (student.shape[0], *student.shape[2:]))
        return student, teacher, labels

    def check_values(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> None:
        student, teacher, labels = _padded(inputs)
        checks.require(teacher.isfinite(), "teacher", "be finite", teacher)
        if labels is not None:
            classes = student.shape[1]
            checks.require((labels >= 0) & (labels < classes), "labels", f"be from 0 to {classes}-1", labels)

    def element_shape(self, inputs: tuple[Any, ...]) -> torch.Size:
        return torch.Size((inputs[0].shape[0], *inputs[0].shape[2:]))

    def hide(self, inputs: tuple[Any, ...], mask: Tensor, context: checks.CheckContext) -> tuple[Any, ...]:
        student, teacher, labels = _padded(inputs)
        column = mask.unsqueeze(1)
        labels = None if labels is None else torch.where(mask, labels, 0)
        return torch.where(column, student, 0.0), torch.where(column, teacher, 0.0), labels

    def function_inputs(self, inputs: tuple[Any, ...], context: checks.CheckContext) -> tuple[Any, ...]:
        """The classes last."""
        student, teacher, labels = _padded(inputs)
        return student.movedim(1, -1), teacher.movedim(1, -1), labels

    def rows_of(self, inputs: tuple[Any, ...], rows: Any) -> tuple[Any, ...]:
        return tuple(x if x is None else x[rows] for x in inputs)

    def example(self, source: Source) -> tuple[Any, ...]:
        classes = source.second or source.classes
        return source.normal(source.rows, classes), source.normal(source.rows, classes)

    def edge_cases(self, inputs: tuple[Any, ...], expects: str) -> Iterator[EdgeCase]:
        student, teacher = inputs
        labels = torch.arange(len(student), device=student.device) % student.shape[1]
        yield EdgeCase("labels", (student, teacher, labels))
        yield EdgeCase("a student that agrees", (teacher.clone(), teacher))
        yield EdgeCase("equal logits", (torch.ones_like(student), torch.ones_like(teacher)))
        sure = torch.zeros_like(teacher)
        sure[:, 0] = 1.0
        for size in (20.0, 89.0, 104.0, 1e4):
            yield EdgeCase(f"both sure by {size:g}", (sure * size, sure * size, torch.zeros_like(labels)))
            wrong = sure.roll(1, 1)
            yield EdgeCase(f"surely another by {size:g}", (wrong * size, sure * size, torch.zeros_like(labels)), True)
        yield EdgeCase("one class", (student[:, :1], teacher[:, :1]))

    def misshapen(self, inputs: tuple[Any, ...]) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        student, teacher = inputs
        _, *rest = super().misshapen(inputs)
        yield "inputs", "one too many", (*inputs, None, student)
        yield from rest
        yield "teacher", "one class less", (student, teacher[:, 1:])
        yield "labels", "one row less", (student, teacher, torch.zeros(len(student) - 1, dtype=torch.int64))

    def illegal_values(self, inputs: tuple[Any, ...], expects: str) -> Iterator[tuple[str, str, tuple[Any, ...]]]:
        student, teacher = inputs
        yield "teacher", "an infinite logit", (student, torch.full_like(teacher, torch.inf))
        beyond = torch.full((len(student),), student.shape[1])
        yield "labels", "beyond the classes", (student, teacher, beyond)

    def rightness(self, student: Tensor, teacher: Tensor, *_: Any) -> Tensor:
        return -(student.softmax(1) - teacher.softmax(1)).abs().mean()

    def leaf_kinds(self, expects: str) -> dict[str, str]:
        return {"student": "real", "teacher": "real"}

    def loss_inputs(self, batch: Any) -> tuple[Any, ...]:
        return batch.outputs, batch.targets


def _padded(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """All three arguments: None for labels that were left out."""
    return (*inputs, *[None] * (3 - len(inputs)))
