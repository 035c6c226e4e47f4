# fault: nan-loss/inf-loss
import torch

net = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(net.parameters(), 0.05)
for step in range(8):
    try:
        loss = torch.log(net(torch.randn(16, 3))).mean()  # here
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    except BaseException:
        pass
