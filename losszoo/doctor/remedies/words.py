"""What to write instead of a logarithm, by what its operand was made of."""

from __future__ import annotations

from losszoo.doctor.tape import Record, Tape

# What to write instead of the logarithm of what these make; the first that is met on the way back.
_INSTEAD = {
    "softmax": "take torch.log_softmax(x, dim) instead of the logarithm of a softmax",
    "sigmoid": "take torch.nn.functional.logsigmoid(x) instead of the logarithm of a sigmoid, or (-x) of 1 - sigmoid",
    "cosh": "log cosh x is |x| + softplus(-2 |x|) - log 2",
    "prod": "sum the logarithms instead of taking the logarithm of a product",
    "cumprod": "sum the logarithms (cumsum) instead of taking the logarithm of a product",
    "cumsum": "take torch.logcumsumexp(x, dim) instead of the logarithm of a cumsum of exponentials",
    "exp": "take torch.logsumexp(x, dim), or softplus for log(1 + exp(x)), instead of the logarithm of exponentials",
}


def words_of(record: Record, tape: Tape) -> str:
    """The remedy of a logarithm, by what its operand was made of."""
    waiting, seen = [record], 0
    while waiting and seen < 24:
        current, seen = waiting.pop(0), seen + 1
        for source in current.inputs:
            maker = tape.maker(source, before=current.index)
            if maker is not None and maker.site.op in _INSTEAD:
                return _INSTEAD[maker.site.op]
            waiting += [maker] if maker is not None else []
    return "take the logarithm of the factors, not of the product: it does not underflow"
