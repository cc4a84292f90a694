"""stub"""
from rest_framework.throttling import UserRateThrottle
class PrincipalThrottle(UserRateThrottle):
    scope = "principal"
