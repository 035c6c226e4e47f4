# fault: detached
import torch
from torch import nn

net = nn.Linear(8, 2)
optimizer = torch.optim.SGD(net.parameters(), 0.001)
for _ in range(10):
    out = net(torch.randn(8, 8))
    loss = torch.tensor(out.pow(2).mean().item())
    optimizer.zero_grad()
    loss.backward()  # here
    optimizer.step()
