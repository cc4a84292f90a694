"""stub"""
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
class ApiKeyAuthentication(BaseAuthentication):
    def authenticate(self, request): return None
    def authenticate_header(self, request): return "Bearer"
class StaffSessionAuthentication(SessionAuthentication): ...
