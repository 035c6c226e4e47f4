# fault: nan-loss
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 3)

    def forward(self, x):
        h = self.a(x)
        h = torch.log(h.sum(1, keepdim=True)) + h  # here
        return self.b(h)


net = Net()
optimizer = torch.optim.SGD(net.parameters(), 0.01)
for step in range(10):
    x, y = torch.randn(16, 8), torch.randint(0, 3, (16,))
    out = net(x)
    loss = nn.CrossEntropyLoss()(out, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
