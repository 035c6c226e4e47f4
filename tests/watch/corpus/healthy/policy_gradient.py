import torch
from torch import nn

policy = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))
value = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.Adam([*policy.parameters(), *value.parameters()], 1e-3)
for _ in range(30):
    states, returns = torch.randn(20, 4), torch.randn(20)
    dist = torch.distributions.Categorical(logits=policy(states))
    actions = dist.sample()
    baseline = value(states).squeeze(-1)
    advantage = returns - baseline.detach()
    loss = (
        -(dist.log_prob(actions) * advantage).mean()
        + 0.5 * (returns - baseline).pow(2).mean()
        - 0.01 * dist.entropy().mean()
    )
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(policy.parameters(), 0.5)
    optimizer.step()
