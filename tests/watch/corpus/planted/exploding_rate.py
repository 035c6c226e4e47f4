# fault: nan-loss/inf-loss
import torch
from torch import nn

net = nn.Sequential(nn.Linear(8, 32), nn.Linear(32, 1))
optimizer = torch.optim.SGD(net.parameters(), 5.0)
for step in range(200):
    x = torch.randn(16, 8) * 10
    loss = nn.functional.mse_loss(net(x), x.sum(1, keepdim=True))  # here
    optimizer.zero_grad()
    loss.backward()  # here
    optimizer.step()
