# fault: no-gradient
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.skip, self.b = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x):
        return self.b(self.a(x).relu())


net = Net()
optimizer = torch.optim.Adam(net.parameters())
for _ in range(25):
    loss = nn.functional.cross_entropy(net(torch.randn(8, 8)), torch.randint(0, 2, (8,)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()  # here
