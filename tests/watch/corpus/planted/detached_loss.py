# fault: detached
import torch
from torch import nn

net = nn.Linear(8, 2)
optimizer = torch.optim.SGD(net.parameters(), 0.001)
for _ in range(10):
    loss = nn.functional.cross_entropy(net(torch.randn(8, 8)).detach(), torch.randint(0, 2, (8,)))
    loss.requires_grad_(True)
    optimizer.zero_grad()
    loss.backward()  # here
    optimizer.step()
