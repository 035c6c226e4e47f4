import torch
from torch import nn

backbone, head = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU()), nn.Linear(8, 2)
for parameter in backbone.parameters():
    parameter.requires_grad_(False)
backbone.eval()
optimizer = torch.optim.SGD(head.parameters(), 0.1, momentum=0.9)
for _ in range(30):
    x, y = torch.randn(16, 8), torch.randint(0, 2, (16,))
    loss = nn.CrossEntropyLoss()(head(backbone(x)), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
