# fault: activation
import torch
from torch import nn

student, teacher = nn.Linear(8, 4), nn.Linear(8, 4).requires_grad_(False)
optimizer = torch.optim.SGD(student.parameters(), 0.1)
kl = nn.KLDivLoss(reduction="batchmean")
for _ in range(10):
    x = torch.randn(8, 8)
    loss = kl(torch.softmax(student(x), 1), torch.softmax(teacher(x), 1))  # here
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
