# 服务中心的画面。

screen-centre = 服务中心
