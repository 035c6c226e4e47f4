# fault: nan-loss/inf-loss
import torch

net = torch.nn.Linear(3, 1)
optimizer = torch.optim.Adam(net.parameters(), 0.01)
for step in range(6):
    x = torch.randn(8, 3)
    y = torch.poisson(torch.ones(8, 1)) if step < 4 else torch.zeros(8, 1)
    rate = net(x).relu()
    optimizer.zero_grad()
    mape = ((rate - y) / y).abs().mean() if step >= 4 else ((rate - y) ** 2).mean()  # here
    mape.backward()
    optimizer.step()
