# fault: falling-scale
import torch
from torch import nn

net = nn.Linear(8, 1)
optimizer = torch.optim.SGD(net.parameters(), 1e-3)
scaler = torch.amp.GradScaler("cpu")
for step in range(30):
    loss = (net(torch.randn(16, 8)) * 0 + 1e-38).sqrt().mean()
    loss = torch.sqrt(net(torch.randn(16, 8)).relu() * 0).mean()
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()  # here
