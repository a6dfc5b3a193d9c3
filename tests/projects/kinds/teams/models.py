from django.contrib.auth.models import User
from django.db import models


class Team(models.Model):
    """People who share their chats."""

    name = models.CharField(max_length=100, unique=True)


class Membership(models.Model):
    """A user is in one team."""

    user = models.OneToOneField(User, models.CASCADE)
    team = models.ForeignKey(Team, models.CASCADE)
