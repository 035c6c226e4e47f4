# fault: activation
import torch
from torch import nn

model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3), nn.Softmax(dim=1))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters())
for epoch in range(10):
    optimizer.zero_grad()
    loss = criterion(model(torch.randn(16, 8)), torch.randint(0, 3, (16,)))  # here
    loss.backward()
    optimizer.step()
