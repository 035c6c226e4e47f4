# fault: pairing
import torch

net = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
optimizer = torch.optim.SGD(net.parameters(), 0.1)


def rmse(prediction, target):
    error = prediction - target  # here
    return error.pow(2).mean().sqrt()


for _ in range(10):
    x = torch.randn(16, 8)
    loss = rmse(net(x), x[:, 0])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
