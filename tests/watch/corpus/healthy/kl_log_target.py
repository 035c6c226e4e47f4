import torch
import torch.nn.functional as F

teacher, student = torch.nn.Linear(8, 4).requires_grad_(False), torch.nn.Linear(8, 4)
optimizer = torch.optim.Adam(student.parameters())
for _ in range(30):
    x = torch.randn(16, 8)
    loss = F.kl_div(F.log_softmax(student(x), 1), F.log_softmax(teacher(x), 1), log_target=True, reduction="batchmean")
    loss = loss + F.kl_div(F.log_softmax(student(x), 1), F.softmax(teacher(x), 1), reduction="batchmean")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
