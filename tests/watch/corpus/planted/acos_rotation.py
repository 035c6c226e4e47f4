# fault: nan-gradient
import torch

net = torch.nn.Linear(3, 3)
optimizer = torch.optim.SGD(net.parameters(), 0.1)


def angle(a, b):
    cosine = torch.nn.functional.normalize(a, dim=1).mul(torch.nn.functional.normalize(b, dim=1)).sum(1)
    return torch.acos(cosine.clamp(-1, 1)).mean()  # here


for step in range(5):
    out = net(torch.randn(4, 3))
    target = torch.randn(4, 3) if step < 3 else out.detach()
    loss = angle(out, target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
