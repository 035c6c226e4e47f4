import torch

model = torch.nn.Linear(6, 1)
optimizer = torch.optim.SGD(model.parameters(), 0.05)


def pairwise_hinge(scores, relevance):
    differences = scores.unsqueeze(1) - scores
    better = relevance.unsqueeze(1) > relevance
    margins = relevance.unsqueeze(1) - relevance
    return (torch.relu(margins - differences) * better).mean()


for _ in range(30):
    x, relevance = torch.randn(12, 6), torch.randint(0, 4, (12,)).float()
    optimizer.zero_grad()
    pairwise_hinge(model(x).squeeze(1), relevance).backward()
    optimizer.step()
