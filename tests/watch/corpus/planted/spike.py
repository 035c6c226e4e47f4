# fault: gradient-spike
import torch
from torch import nn

net = nn.Linear(8, 1)
optimizer = torch.optim.SGD(net.parameters(), 1e-6)
for step in range(60):
    x = torch.randn(16, 8) * (1e4 if step == 40 else 1)
    loss = nn.functional.mse_loss(net(x), torch.randn(16, 1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()  # here
