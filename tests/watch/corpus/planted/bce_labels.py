# fault: labels
import torch
from torch import nn

net = nn.Linear(8, 1)
optimizer = torch.optim.SGD(net.parameters(), 0.1)
criterion = nn.BCEWithLogitsLoss()
for _ in range(10):
    y = torch.randint(1, 3, (8, 1)).float()
    loss = criterion(net(torch.randn(8, 8)), y)  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
