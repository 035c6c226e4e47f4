import torch
from torch import nn

features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3)).eval()
target = features(torch.rand(1, 3, 12, 12)).detach()
image = torch.rand(1, 3, 12, 12, requires_grad=True)
optimizer = torch.optim.Adam([image], 0.05)
for _ in range(20):
    optimizer.zero_grad()
    nn.functional.mse_loss(features(image), target).backward()
    optimizer.step()
