# fault: no-optimizer
import torch
from torch import nn

net = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 10))
optimizer = torch.optim.SGD(net.parameters(), 0.01)
net[2] = nn.Linear(8, 2)
for _ in range(20):
    loss = nn.functional.cross_entropy(net(torch.randn(8, 8)), torch.randint(0, 2, (8,)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()  # here
