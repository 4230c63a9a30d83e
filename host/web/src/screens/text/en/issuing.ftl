# The screens of the issuing desk.

screen-issuing = Issuing desk
