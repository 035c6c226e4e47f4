# fault: nan-loss/nan-gradient
import torch

net = torch.nn.Linear(4, 2)
optimizer = torch.optim.SGD(net.parameters(), 0.1)
sizes = [8, 8, 8, 1]
for n in sizes:
    out = net(torch.randn(n, 4))
    normal = (out - out.mean(0)) / out.std(0)  # here
    loss = (normal**4).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
