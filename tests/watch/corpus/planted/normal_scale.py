# fault: nan-gradient/nan-loss/inf-loss/inf-gradient
import torch

net = torch.nn.Linear(3, 2)
optimizer = torch.optim.SGD(net.parameters(), 0.05)


def nll(mean, scale, y):
    return (0.5 * ((y - mean) / scale) ** 2 + torch.log(scale)).mean()  # here


for step in range(8):
    x = torch.randn(16, 3) * (300 if step == 5 else 1)
    mean, raw = net(x).chunk(2, 1)
    loss = nll(mean, torch.nn.functional.softplus(raw), torch.randn(16, 1))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
