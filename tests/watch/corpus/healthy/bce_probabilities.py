import torch
from torch import nn

model = nn.Sequential(nn.Linear(8, 1), nn.Sigmoid())
optimizer = torch.optim.Adam(model.parameters())
for _ in range(20):
    loss = nn.BCELoss()(model(torch.randn(16, 8)).squeeze(1), torch.randint(0, 2, (16,)).float())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
