"""The texts for people in every language: of alerts, permissions, policies and reasons."""
