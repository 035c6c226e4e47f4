# fault: no-optimizer
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = [nn.Linear(8, 8), nn.Linear(8, 8)]
        self.out = nn.Linear(8, 2)

    def forward(self, x):
        for layer in self.layers:
            x = layer(x).relu()
        return self.out(x)


net = Net()
optimizer = torch.optim.SGD(net.parameters(), 0.1)
for _ in range(20):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(net(torch.randn(8, 8)), torch.randint(0, 2, (8,)))
    loss.backward()
    optimizer.step()  # here
