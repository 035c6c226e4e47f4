import torch

w = torch.randn(8, requires_grad=True)
for _ in range(30):
    x = torch.randn(16, 8)
    loss = ((x @ w - x.sum(1)) ** 2).mean()
    (gradient,) = torch.autograd.grad(loss, [w])
    with torch.no_grad():
        w -= 0.05 * gradient
