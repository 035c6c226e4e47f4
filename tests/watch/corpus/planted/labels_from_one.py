# fault: labels
import torch
from torch import nn

net = nn.Linear(8, 3)
optimizer = torch.optim.SGD(net.parameters(), 0.1)
for _ in range(10):
    y = torch.arange(8) % 3 + 1
    loss = nn.functional.cross_entropy(net(torch.randn(8, 8)), y)  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
