# fault: activation
import torch
from torch import nn

net = nn.Linear(8, 4)
criterion = nn.NLLLoss()
optimizer = torch.optim.SGD(net.parameters(), 0.1)
for _ in range(10):
    loss = criterion(net(torch.randn(8, 8)), torch.randint(0, 4, (8,)))  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
