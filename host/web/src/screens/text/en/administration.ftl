# The screens of administration.

screen-administration = Administration
