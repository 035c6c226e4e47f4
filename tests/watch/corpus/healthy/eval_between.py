import torch
from torch import nn

model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Dropout(0.2), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters())
criterion = nn.MSELoss()
for epoch in range(5):
    model.train()
    for _ in range(5):
        optimizer.zero_grad()
        loss = criterion(model(torch.randn(16, 8)), torch.randn(16, 1))
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        print(criterion(model(torch.randn(16, 8)), torch.randn(16, 1)).item())
