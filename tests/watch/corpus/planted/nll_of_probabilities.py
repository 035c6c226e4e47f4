# fault: activation
import torch
import torch.nn.functional as F

net = torch.nn.Linear(8, 4)
optimizer = torch.optim.SGD(net.parameters(), 0.1)
for _ in range(10):
    out = F.softmax(net(torch.randn(8, 8)), dim=1)
    loss = F.nll_loss(out, torch.randint(0, 4, (8,)))  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
