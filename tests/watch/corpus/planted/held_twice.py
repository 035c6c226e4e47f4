# fault: held-twice
import warnings

import torch
from torch import nn

warnings.simplefilter("ignore")
net = nn.Linear(8, 3)
optimizer = torch.optim.SGD([*net.parameters(), net.weight], 1e-3)
for step in range(10):
    optimizer.zero_grad()
    nn.functional.cross_entropy(net(torch.randn(16, 8)), torch.randint(0, 3, (16,))).backward()
    optimizer.step()  # here
