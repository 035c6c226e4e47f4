# fault: left-in-eval
import torch
from torch import nn

net = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(), nn.Linear(16, 2))
optimizer = torch.optim.SGD(net.parameters(), 0.1)


def evaluate():
    net.eval()
    with torch.no_grad():
        return net(torch.randn(16, 8)).argmax(1)


for epoch in range(4):
    for _ in range(8):
        loss = nn.functional.cross_entropy(net(torch.randn(16, 8)), torch.randint(0, 2, (16,)))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()  # here
    evaluate()
