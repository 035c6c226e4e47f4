# fault: nan-loss/inf-loss
import torch
from torch import nn

model = nn.Sequential(nn.Linear(8, 1), nn.Sigmoid())
optimizer = torch.optim.Adam(model.parameters())


class MyBCE(nn.Module):
    def forward(self, p, y):
        return -(y * torch.log(p) + (1 - y) * torch.log(1 - p)).mean()  # here


criterion = MyBCE()
for step in range(10):
    x, y = torch.randn(16, 8) * (500 if step == 3 else 1), torch.randint(0, 2, (16, 1)).float()
    optimizer.zero_grad()
    output = model(x)
    loss = criterion(output, y)
    loss.backward()
    optimizer.step()
