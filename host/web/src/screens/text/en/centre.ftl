# The screens of the service centre.

screen-centre = Centre
