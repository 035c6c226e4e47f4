import torch
from torch import nn

net = nn.Linear(8, 3)
optimizer = torch.optim.SGD(net.parameters(), 0.1)
for _ in range(20):
    x, y = torch.randn(16, 8).requires_grad_(), torch.randint(0, 3, (16,))
    nn.functional.cross_entropy(net(x), y).backward()
    attack = (x + 0.1 * x.grad.sign()).detach()
    optimizer.zero_grad()
    nn.functional.cross_entropy(net(attack), y).backward()
    optimizer.step()
