# fault: pairing
import warnings

import torch
from torch import nn

warnings.simplefilter("ignore")
net = nn.Linear(8, 1)
criterion = nn.MSELoss()
optimizer = torch.optim.SGD(net.parameters(), 0.1)
for _ in range(10):
    loss = criterion(net(torch.randn(16, 8)), torch.randn(16))  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
